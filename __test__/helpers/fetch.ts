import { createServer, type RequestListener } from 'node:http'
import { type ExecutionContext } from 'ava'
import { serve } from '../../http.js'
import { places } from './sockets.js'

/** Serves at a new path, which it returns. */
export async function serving(t: ExecutionContext, handler: RequestListener): Promise<string> {
  const path = places.path(t)
  const server = createServer(handler)
  const served = await serve(server, path)
  t.teardown(async () => {
    server.closeAllConnections()
    await served.close()
  })
  return path
}
