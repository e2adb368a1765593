import { connect } from '../../index.js'

/** A transport of pino's: the stream that its thread writes to. */
export default async ({ path }) => {
  const socket = await connect(path, { writeLimit: Infinity })
  // Nobody reads it, so nobody would come to its end.
  return socket.resume()
}
