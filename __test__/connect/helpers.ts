import { type ExecutionContext } from 'ava'
import { connect, type ConnectOptions, listen, type UnixListener } from '../../index.js'
import { listening, type Place, places, receiveAll } from '../helpers/sockets.js'

/** Opens the descriptors that stay open, those of a connect that waits included. */
export async function warmUp(): Promise<void> {
  const listener = await listen(places['abstract name'](), { backlog: 0 })
  const client = await connect(listener.path)
  await connect(listener.path, { timeout: 0 }).catch(() => {})
  client.destroy()
  await listener.close()
}

/** A listener with no room, and what to take from it until there is some. */
export async function full(t: ExecutionContext, place: Place, backlog = 0): Promise<UnixListener> {
  const listener = await listening(t, place, { backlog })
  for (let count = 0; count <= backlog; count++) {
    const client = await connect(listener.path)
    t.teardown(() => client.destroy())
    client.end('filler')
  }
  return listener
}

/** Connects, sends its name and ends; resolves with the name, or the code of the failure. */
export async function introduce(
  listener: UnixListener,
  name: string,
  options?: ConnectOptions,
): Promise<string> {
  try {
    const client = await connect(listener.path, options)
    client.resume().end(name)
    return name
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** Accepts, and reads what the client sends until it ends. */
export async function next(listener: UnixListener): Promise<string> {
  const server = await listener.accept()
  const name = String(await receiveAll(server))
  server.destroy()
  return name
}
