/** The public API of `udsock/http`: HTTP over paths, by servers, by agents for node:http and node:https, by fetch(), and by a connector for undici. */
export { Agent, HttpsAgent, type UnixAgentOptions, type UnixHttpsAgentOptions } from './agent.js'
export { fetch, type FetchOptions } from './fetch.js'
export { serve, type Served, type ServeOptions, type ServeTarget } from './serve.js'
export {
  undiciConnector,
  type UndiciConnector,
  type UndiciConnectorOptions,
  type UndiciTarget,
} from './undici.js'
