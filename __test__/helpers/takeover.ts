import { connect, listen, type UnixListener } from '../../index.js'
import { receiveAll } from './sockets.js'

/** Echoes every connection until the listener closes. */
export async function echoEverything(listener: UnixListener): Promise<void> {
  for await (const socket of listener) socket.on('error', () => {}).pipe(socket)
}

/**
 * Clients make requests, each on a connection of its own, while listeners take the path over from one another; ends when
 * there have been so many takeovers and requests. Any failure of a request rejects.
 */
export async function requestsUnder(
  path: string,
  takeovers: number,
  leastRequests: number,
): Promise<{ requests: number; takeovers: number; closed: number }> {
  const done = { requests: 0, takeovers: 0, closed: 0 }
  const options = { backlog: 64, onExisting: 'takeOver' } as const
  let current = await listen(path, options)
  void echoEverything(current)
  const request = async (): Promise<void> => {
    const client = await connect(path)
    const question = String(done.requests)
    client.end(question)
    const answer = String(await receiveAll(client))
    client.destroy()
    if (answer !== question) throw new Error(`"${answer}" is no answer to "${question}"`)
    done.requests++
  }
  const client = async (): Promise<void> => {
    while (done.takeovers < takeovers || done.requests < leastRequests) await request()
  }
  const superseder = async (): Promise<UnixListener[]> => {
    const replaced: UnixListener[] = []
    while (done.takeovers < takeovers) {
      const goal = ((done.takeovers + 1) * leastRequests) / takeovers
      while (done.requests < goal) await new Promise(resolve => setTimeout(resolve, 1))
      replaced.push(current)
      current = await listen(path, options)
      void echoEverything(current)
      done.takeovers++
    }
    return replaced
  }
  const [replaced] = await Promise.all([superseder(), ...Array.from({ length: 8 }, client)])
  await Promise.all(
    replaced.map(
      listener => listener.closed || new Promise<void>(resolve => listener.once('close', resolve)),
    ),
  )
  done.closed = replaced.filter(listener => listener.closed).length
  await current.close()
  return done
}
