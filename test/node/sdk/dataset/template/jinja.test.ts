import { expect } from "chai";
import { before, describe, it } from "mocha";
import { compileTemplate } from "../../../../../sdk/dataset/jinja/compileTemplate.ts";
import type { Value } from "../../../../../sdk/dataset/jinja/values.ts";
import { skipWithoutTrainer } from "../trainer.ts";
import { compareSources } from "./corpus.ts";

/** What Python and JavaScript, or Jinja2 and its imitations, do differently. */
const EXPRESSIONS = [
  ...["none", "true", "1.0", "7 // 2", "-7 // 2", "-7 % 3", "7 / 2", "2 ** 3", "'a' * 3"],
  ...[
    "[1, 'a', none, 1.5]",
    "{'a': 1, 'b': [true]}",
    "('a', 1)",
    "['it\\'s', '\"']",
    "'é😀' | list",
  ],
  ...["'😀a' | length", "'😀ab'[1]", "'😀ab'[-2:]", "'abcd'[::-1]", "[1, 2, 3][1:]", "'abc'[5]"],
  ...["'x y  z'.split()", "'a,b,c'.split(',', 1)", "'a,b,c'.rsplit(',', 1)", "'ab'.split('')"],
  ...["'  x '.strip() ~ '|'", "'xxaxx'.strip('x')", "'\u0085a\u001c'.strip()", "'ab'.lstrip('ba')"],
  ...["'a' in 'cat'", "1 in [1.0]", "'k' in {'k': 1}", "1 in 'a'", "none in [none]"],
  ...["1 == 1.0", "'1' == 1", "[1] == [1.0]", "none == false", "true == 1", "1 < 2 < 3"],
  ...[
    "'a' < 'b'",
    "1 < 'a'",
    "[1, 2] < [1, 3]",
    "not []",
    "[] or 'x'",
    "0 and 'x'",
    "'' is string",
  ],
  ...["missing", "missing == none", "missing is defined", "missing.x", "missing | length"],
  ...["missing + 'a'", "missing ~ 'a'", "missing | default('d')", "none | default('d')"],
  ...["'' | default('d', true)", "'x' if false", "('x' if false) is undefined", "none | string"],
  ...[
    "'aBc' | upper",
    "'ΑΣ' | lower",
    "'ß' | upper",
    "'it is-so (ok)' | title",
    "'aB' | capitalize",
  ],
  ...[
    "'hello world'.title()",
    "'a.b'.replace('.', '-')",
    "'aaa' | replace('a', 'b', 2)",
    "'' | first",
  ],
  ...["[3, 1, 2] | sort", "['b', 'A', 'c'] | sort", "[1, 'a'] | sort", "[2, 1] | min", "[] | max"],
  ...["{'b': 1, 'a': 2} | dictsort", "{'b': 1}.items() | list", "{'items': 1}.items is callable"],
  ...["{'get': 1}['get']", "{'a': none}.get('a', 'x') is none", "{'a': 1}.get('b')", "{'a': 1}.a"],
  ...["{'é': 1.0, 'b': [1, {'c': none}]} | tojson", "'</a>&\\'' | tojson", "'é' | tojson(true)"],
  ...[
    "{'a': [1, 2], 'b': {}} | tojson(indent=2)",
    "[1.0, 10.0 ** 16, 0.00001, 123456789.5] | tojson",
  ],
  ...["{'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':'))", "missing | tojson"],
  ...[
    "messages | map(attribute='role') | join(',')",
    "messages | selectattr('name', 'defined') | list | length",
  ],
  ...["messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | list"],
  ...[
    "[1, 2, 3] | select('odd') | list",
    "['a', 'b'] | map('upper') | join",
    "none | map('upper') | list",
  ],
  ...[
    "range(3) | list",
    "range(5, 1, -2) | list",
    "range(200000) | length",
    "'%s' | length",
    "dict(a=1)",
  ],
  ...[
    "' a ' | trim ~ '|'",
    "'a\nb' | indent(2)",
    "'3' | int + 1",
    "'x' | int",
    "'1.5' | float",
    "1 | string",
  ],
  ...[
    "'abc'.startswith(('x', 'a'))",
    "'abc'.endswith('c')",
    "'aXbX'.find('X')",
    "'x'.join(['a', 'b'])",
  ],
  ...[
    "'a\r\nb\n'.splitlines()",
    "[[1, 2], [3]] | map('first') | list",
    "[1, 1.0, 'a', 'A'] | unique | list",
  ],
  ...[
    "messages.__class__",
    "''.__len__",
    "'a' is mapping",
    "[] is sequence",
    "{} is iterable",
    "1 is number",
  ],
  ...[
    "[].append(1)",
    "'a' - 'b'",
    "1 + true",
    "raise_exception('no')",
    "unknown_function()",
    "1 / 0",
  ],
  ...[
    "strftime_now('%d %b %Y')",
    "strftime_now('%Y-%m-%d %H:%M %A %B %y')",
    "strftime_now is defined",
  ],
];

const STATEMENTS = {
  continue: "{% for m in messages %}{{ m.role }}{% continue %}x{% endfor %}",
  break:
    "{% for m in messages %}{{ m.role }}{% if loop.index == 2 %}!{% break %}{% endif %}-{% endfor %}",
  generation: "{% generation %}x{% endgeneration %}y{%- generation -%}  z {%- endgeneration -%} !",
  "set in a loop":
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = i + 5 %}{{ x }}{% endfor %}{{ x }}",
  namespace:
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
  "set block": "{% set x %} a {{ messages | length }} {% endset %}[{{ x }}]{{ x is string }}",
  macro:
    "{% macro f(a, b='d', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, c=2) }}{{ f('x', none) }}",
  "too many arguments": "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
  "call block": "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}a{% endcall %}",
  "filter block": "{% filter upper %}a{{ 'b' }}{% endfilter %}",
  "loop values":
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ (loop.previtem or {}).role }}{{ (loop.nextitem or {}).role }} {% else %}none{% endfor %}",
  "loop condition":
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{% endfor %}",
  unpacking:
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% set a, b = 1, 2 %}{{ b }}",
  "white space":
    "  {% if true %}\n  a\n  {%- endif %}\n  b  {#- c -#}  \n{{ 'x' }}\n\n  {%- if true -%}  y  {%- endif %}\n",
  "line ends": "a\r\nb\r\n{% if true %}\r\nc{% endif %}\r\n",
  recursion: "{% macro f(n) %}{{ n }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
  "changing the messages": "{% set messages = messages[1:] %}{{ messages | length }}",
} as const;

const sources = {
  ...Object.fromEntries(EXPRESSIONS.map((text) => [text, `{{ ${text} }}`])),
  ...STATEMENTS,
};

describe("the evaluator of chat templates", () => {
  before(function () {
    skipWithoutTrainer(this);
  });

  it("writes and refuses what Jinja2 does", () => {
    const { templates, disagreements } = compareSources(sources);
    const texts = disagreements.filter(({ what }) => what === "text");
    const [one] = Object.values(Object.groupBy(texts, ({ template }) => template));
    expect(one ?? []).to.deep.equal([]);
    expect(templates).to.equal(Object.keys(sources).length);
  });

  it("refuses what its parser does not know, rather than write something else", () => {
    for (const source of [
      "{{ 1e3 }}",
      "{{ ('a',) }}",
      "{% include 'a' %}",
      "{{ 1 is divisibleby 2 }}",
    ]) {
      expect(() => compileTemplate(source), source).to.throw();
    }
  });

  it("ends a template that would never end, and one that writes without end", () => {
    const messages: Value = Array.from({ length: 10_000 }, () => "x".repeat(100));
    const context = new Map([["messages", messages]]);
    const endless = compileTemplate(
      "{% for a in messages %}{% for b in messages %}{% endfor %}{% endfor %}",
    );
    expect(() => endless(context)).to.throw("it takes too long");
    const long = compileTemplate("{{ ('x' * 100000000) ~ ('x' * 100000000) ~ ('x' * 100000000) }}");
    expect(() => long(context)).to.throw("it writes too much");
  });
});
