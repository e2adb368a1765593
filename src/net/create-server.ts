/** `createServer()` of `udsock/net`: a function beside the class, so that errors name their caller. */
import { type ServerOpts } from 'node:net'
import { atCaller } from '../internal/errors.js'
import { Server } from './server.js'
import { type Socket } from './socket.js'

/** Makes a server; `listener` is called on 'connection'. */
export function createServer(listener?: (socket: Socket) => void): Server
export function createServer(options?: ServerOpts | null, listener?: (socket: Socket) => void): Server
export function createServer(options?: unknown, listener?: unknown): Server {
  try {
    return new Server(options as ServerOpts, listener as (socket: Socket) => void)
  } catch (error) {
    throw atCaller(error, createServer)
  }
}
