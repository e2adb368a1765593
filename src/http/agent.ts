/**
 * Agents for node:http and node:https whose connections go to paths. Each path has its own pool, and a pooled connection is used
 * again only after `pool.ts` has checked that nothing arrived unasked.
 */
import * as http from 'node:http'
import { type AgentOptions } from 'node:http'
import * as https from 'node:https'
import { type AgentOptions as HttpsAgentOptions } from 'node:https'
import { type Socket as NetSocket } from 'node:net'
import { type Duplex } from 'node:stream'
import { types } from 'node:util'
import { atCaller, invalidValue } from '../internal/errors.js'
import { builtin } from '../internal/builtins.js'
import { completeTls } from '../internal/tls.js'
import { validateOptions } from '../internal/validation.js'
import { type Socket } from '../net/socket.js'
import { type UnixSocketPath } from '../path.js'
import { type UnixSocket } from '../socket.js'
import { dropIfSpoiled, dropSpoiled, runsOver, unwatchIdle, watchIdle } from './pool.js'
import { AgentTarget } from './target.js'

type Options = Record<string, unknown>
type Callback = (error: Error | null, socket: Duplex) => void

const setTarget = Symbol('setTarget')
const connect = Symbol('connect')

/** What `withPaths()` adds to a class of agents, beside its overrides. */
interface PathAgent {
  [setTarget](target: AgentTarget): void
  [connect](options: object): Socket
}

/** Node's types lack it. */
const { addRequest } = http.Agent.prototype as unknown as { addRequest(...args: unknown[]): void }

/** Derives a class of agents whose connections go to paths. The caller sets the target after construction. */
function withPaths<Base extends typeof http.Agent | typeof https.Agent>(base: Base): Base {
  const NodeAgent = base as typeof http.Agent
  class Derived extends NodeAgent implements PathAgent {
    #target!: AgentTarget
    /** Whether node:http is about to take a connection from a pool. */
    #isTaking = false

    constructor(options?: AgentOptions) {
      super(options)
      this.prependListener('free', (socket: NetSocket) => dropIfSpoiled(this, socket))
    }

    [setTarget](target: AgentTarget): void {
      this.#target = target
    }

    [connect](options: object): Socket {
      return this.#target.connect(options as Options)
    }

    /** Returns Node's name of the pool, and the path. */
    override getName(options?: http.ClientRequestArgs): string {
      const name = this.#target.nameOf(options as Options | undefined, given =>
        super.getName(given as http.ClientRequestArgs),
      )
      if (this.#isTaking) {
        this.#isTaking = false
        dropSpoiled(this, name)
      }
      return name
    }

    /** Called by node:http, which asks for the name of a pool first and then takes a connection from it. */
    addRequest(...args: unknown[]): void {
      this.#isTaking = true
      addRequest.apply(this, args)
      this.#isTaking = false
    }

    override keepSocketAlive(socket: Duplex): boolean {
      const isKept = super.keepSocketAlive(socket) as unknown as boolean
      if (isKept) watchIdle(socket)
      return isKept
    }

    override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
      unwatchIdle(socket)
      super.reuseSocket(socket, request)
    }
  }
  return Derived as unknown as Base
}

/** Reads the arguments of `new Agent` and `new HttpsAgent`: a path and options, or options with `socketPath`. */
function targetAndOptions(
  first: unknown,
  second: unknown,
  constructor: typeof Agent | typeof HttpsAgent,
): { target: AgentTarget; options: object } {
  try {
    const isOptions = typeof first === 'object' && !types.isUint8Array(first) && !(first instanceof URL)
    const path = isOptions ? undefined : first
    const given = isOptions ? first : second
    validateOptions(given)
    // An agent's own options would override the `socketPath` of a request.
    const { socketPath, ...options } = given ?? {}
    if (path !== undefined && socketPath !== undefined)
      throw invalidValue('options.socketPath', 'pass either `path` or `options.socketPath`, not both')
    return { target: new AgentTarget(path ?? socketPath), options }
  } catch (error) {
    throw atCaller(error, constructor)
  }
}

/** Passes an error of `make` to `callback`, so that the request emits it as it does later errors. */
function withCallback<T extends Duplex>(make: () => T, callback: Callback | undefined): T | undefined {
  try {
    return make()
  } catch (error) {
    if (callback === undefined) throw error
    callback(error as Error, undefined as never)
    return undefined
  }
}

/** Options of an agent of node:http, and where its connections go. */
export interface UnixAgentOptions extends AgentOptions {
  /** For requests without a `socketPath` of their own. */
  socketPath?: UnixSocketPath | undefined
}

/** Options of an agent of node:https, and where its connections go. */
export interface UnixHttpsAgentOptions extends HttpsAgentOptions {
  /** For requests without a `socketPath` of their own. */
  socketPath?: UnixSocketPath | undefined
}

/**
 * An agent for node:http whose connections go to a path: `new Agent('/run/app.sock', { keepAlive: true })`, or
 * `new Agent({ socketPath: '/run/app.sock' })`. A relative path is completed when the agent is made; a string with a leading
 * zero byte is an abstract name, as for node:net. A request's own `socketPath` takes precedence over the agent's. The options are
 * those of `http.Agent`, and each path has its own pool.
 *
 * Before a connection is reused the kernel is asked whether the server has sent anything unasked or has closed the connection. Such a
 * connection is destroyed, and the request gets another one.
 *
 * The sockets are those of `udsock/net`: they wait for a listener whose backlog is full until the request is destroyed. The request
 * emits failures as 'error' (`code`, `errno`, `syscall` 'connect', `address`), also for an invalid or missing `socketPath`.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, and what `http.Agent` throws.
 */
export class Agent extends withPaths(http.Agent) {
  constructor(path: UnixSocketPath, options?: AgentOptions)
  constructor(options?: UnixAgentOptions)
  constructor(first?: UnixSocketPath | UnixAgentOptions, second?: AgentOptions) {
    const { target, options } = targetAndOptions(first, second, Agent)
    super(options)
    asPathAgent(this)[setTarget](target)
  }

  /** @internal Called by node:http. */
  override createConnection(options: http.ClientRequestArgs, callback?: Callback): Duplex | undefined {
    return withCallback(() => asPathAgent(this)[connect](options), callback)
  }
}

/**
 * An agent for node:https whose connections go to a path, as `Agent`; the options are those of `https.Agent`. The name in the
 * certificate is compared with the request's `servername`, or its host where that is missing.
 */
export class HttpsAgent extends withPaths(https.Agent) {
  constructor(path: UnixSocketPath, options?: HttpsAgentOptions)
  constructor(options?: UnixHttpsAgentOptions)
  constructor(first?: UnixSocketPath | UnixHttpsAgentOptions, second?: HttpsAgentOptions) {
    const { target, options } = targetAndOptions(first, second, HttpsAgent)
    super(options)
    asPathAgent(this)[setTarget](target)
  }

  /** @internal Called by node:https. */
  override createConnection(options: https.RequestOptions, callback?: Callback): Duplex | undefined {
    const secure = (): Duplex => {
      const own = asPathAgent(this)[connect](options)
      const socket = own as unknown as NetSocket
      const made = super.createConnection({ ...options, socket } as https.RequestOptions, callback)
      if (made instanceof builtin('node:tls').TLSSocket) {
        completeTls(made, socket)
        runsOver(made, own as unknown as UnixSocket)
      }
      return made as Duplex
    }
    return withCallback(secure, callback)
  }
}

function asPathAgent(agent: http.Agent): PathAgent {
  return agent as unknown as PathAgent
}
