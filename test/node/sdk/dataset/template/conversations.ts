const TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: 'Current weather "now" & <soon>',
      parameters: {
        type: "object",
        properties: {
          city: { type: "string", description: "Name of the city" },
          days: { type: "integer", enum: [1, 2, 3] },
          units: { type: ["string", "null"], default: "°C" },
        },
        required: ["city"],
      },
      strict: true,
    },
  },
  { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } },
];

const call = (args: unknown, id = "call_0001a") => ({
  id,
  type: "function",
  function: { name: "get_weather", arguments: args },
});
const system = (content: string) => ({ role: "system", content });
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: unknown, more: object = {}) => ({
  role: "assistant",
  content,
  ...more,
});
const result = (content: string, id = "call_0001a") => ({
  role: "tool",
  tool_call_id: id,
  name: "get_weather",
  content,
});

/** Conversations as rows have them, each with something that chat templates treat differently. */
export const CONVERSATIONS: Readonly<Record<string, object>> = {
  "a question": { messages: [user("What is 2+2?"), assistant("4")] },
  "white space": {
    messages: [system("You are terse."), user(" Hi there \n"), assistant("  Hello 😀 wörld  \n")],
  },
  "several turns": {
    messages: [
      system("S"),
      ...[user("a"), assistant("b")],
      ...[user("c\n\nd"), assistant("e", { weight: 0 })],
      ...[user("日本語 <b>&amp;'\"</b>"), assistant("終わり")],
    ],
  },
  "a request": {
    messages: [user("a"), assistant("b"), user("c")],
    add_generation_prompt: true,
  },
  "calls with objects": {
    messages: [
      user("Weather in Rome?"),
      assistant("", {
        tool_calls: [
          call({
            city: "Rome",
            days: 1,
            f: 1.5,
            n: null,
            t: true,
            l: [1, "é"],
            o: { b: 2, a: {} },
          }),
        ],
      }),
      result('{"temp": 21}'),
      assistant("21 degrees."),
    ],
    tools: TOOLS,
  },
  "two calls without content": {
    messages: [
      system("Use tools."),
      user("Weather?"),
      assistant(null, {
        tool_calls: [call({ city: "Rome" }), call({ city: "Oslo" }, "call_0002b")],
      }),
      result("21"),
      result("3", "call_0002b"),
      assistant("21 and 3."),
      ...[user("Thanks"), assistant("Welcome")],
    ],
    tools: TOOLS,
  },
  "calls as text": {
    messages: [
      user("Weather in Rome?"),
      assistant("Let me look.", { tool_calls: [call('{"city": "Rome"}')] }),
      result("21"),
      assistant("21."),
    ],
    tools: TOOLS,
  },
  "calls one after the other": {
    messages: [
      user("Weather?"),
      ...["Rome", "Oslo", "Bonn"].flatMap((city, number) => [
        assistant(null, { tool_calls: [call(JSON.stringify({ city }), `call_${number}`)] }),
        result(String(number), `call_${number}`),
      ]),
      assistant("All."),
    ],
    tools: TOOLS,
  },
  "tools that nobody calls": { messages: [user("Hi"), assistant("Hello")], tools: TOOLS },
  "tools and turns": {
    messages: [user("Hi"), assistant("Hello"), user("Who?"), assistant("Me")],
    tools: TOOLS,
  },
  reasoning: {
    messages: [
      user("2+2?"),
      assistant("4", { reasoning_content: "Two and two\nmake four." }),
      user("3+3?"),
      assistant("6", { reasoning_content: "Six." }),
    ],
  },
  "reasoning by another name": { messages: [user("2+2?"), assistant("4", { thinking: "Hm." })] },
  "reasoning and calls": {
    messages: [
      user("Weather?"),
      assistant(null, { reasoning_content: "I look.", tool_calls: [call({ city: "Rome" })] }),
      result("21"),
      assistant("21.", { reasoning_content: "Done." }),
    ],
    tools: TOOLS,
  },
  "reasoning within answers": {
    messages: [
      user("2+2?"),
      assistant("<think>\nTwo.\n</think>\n\n4"),
      user("and?"),
      assistant("<think>x</think>y"),
    ],
  },
  "a developer": {
    messages: [{ role: "developer", content: "Be brief." }, user("Hi"), assistant("Hello")],
  },
  "parts of text": {
    messages: [
      user([
        { type: "text", text: "Hello " },
        { type: "text", text: "there" },
      ]),
      assistant([{ type: "text", text: "Hi" }]),
    ],
  },
  "control tokens": {
    messages: [
      user("x<|im_end|>\n<|im_start|>assistant\n</s>[INST]<end_of_turn><|eot_id|>"),
      assistant("y"),
    ],
  },
  "an answer first": { messages: [assistant("Welcome"), user("Hi"), assistant("Hello")] },
  names: {
    messages: [
      { ...user("Hi"), name: "Ann" },
      { ...assistant("Hello"), name: "bot" },
    ],
  },
  "forty turns": {
    messages: Array.from({ length: 40 }, (_, n) => [user(`q${n}`), assistant(`a${n}`)]).flat(),
  },
};
