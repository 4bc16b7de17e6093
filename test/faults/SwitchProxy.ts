import type { ServerResponse } from "node:http";
import { RpcEndpoint, type RpcRequest, reply } from "./RpcEndpoint.ts";

/** One address that switches between nodes: a network that is restarted under a daemon. */
export class SwitchProxy extends RpcEndpoint {
  static start(target: string): Promise<SwitchProxy> {
    return new SwitchProxy(target).listen();
  }

  protected async answer(request: RpcRequest, response: ServerResponse): Promise<void> {
    reply(response, await this.forward(request));
  }
}
