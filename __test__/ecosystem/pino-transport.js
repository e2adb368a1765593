import { connect } from '../../index.js'

/** A transport of pino's: the stream that its thread writes to. */
export default async ({ path }) => {
  const socket = await connect(path, { writeLimit: Infinity })
  // pino waits for it to close, which it does at its own end if it reads nothing.
  socket.closeRead()
  return socket
}
