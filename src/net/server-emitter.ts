/**
 * The base class of `net.Server`: an EventEmitter that can initialize an object which exists already. It has no private fields.
 */
import { EventEmitter } from 'node:events'
import { type DropArgument } from 'node:net'
import { Existing } from './callable.js'
import { type Socket } from './socket.js'

/** The arguments of a server's events. */
export interface ServerEvents {
  listening: []
  connection: [socket: Socket]
  drop: [data?: DropArgument]
  error: [error: Error]
  close: []
}

/** Initializes the object of an `Existing`, as `EventEmitter.call(object)` does, or a new one. */
export class ServerEmitter extends EventEmitter<ServerEvents> {
  constructor(existing: unknown) {
    if (!(existing instanceof Existing)) {
      super()
      return
    }
    const emitter = existing.object as EventEmitter<ServerEvents>
    ;(EventEmitter as unknown as (this: object) => void).call(emitter)
    return emitter as ServerEmitter
  }
}
