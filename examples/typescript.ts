// TypeScript: `npm install --save-dev typescript @types/node`, then `node examples/typescript.ts` on Node.js 22.18 or later
import { connect, type ConnectOptions, listen, type ListenOptions, type UnixSocket } from 'udsock'

const path: string = process.argv[2] ?? 'typed.sock'
const serverOptions: ListenOptions = { mode: 0o600, onExisting: 'replaceStale', unlinkOnClose: true }
const clientOptions: ConnectOptions = { timeout: 1000 }

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error
}

async function receive(socket: UnixSocket): Promise<string> {
  let text = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString()
  return text
}

try {
  await connect(path, clientOptions)
} catch (error) {
  if (!isSystemError(error)) throw error
  console.log(error.code)
}

const listener = await listen(path, serverOptions)
const client = await connect(path, clientOptions)
const server = await listener.accept()
client.end('typed')
console.log(await receive(server))
await listener.close()
