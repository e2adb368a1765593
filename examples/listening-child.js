// A parent opens the socket, and children serve it, one after the other: `node examples/listening-child.js [path]`
//
// The queue of clients outlives each child, so none is refused while a child is started again.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { unlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { connect, listen } from 'udsock'

const file = fileURLToPath(import.meta.url)

/** The child: it has the socket as descriptor 3, answers one client, and ends. */
async function serve(name) {
  const listener = await listen({ fd: 3 })
  const socket = await listener.accept()
  socket.end(`answered by the ${name} child`)
  await listener.close()
}

async function supervise(path) {
  const listener = await listen(path, { backlog: 128, mode: 0o600, onExisting: 'replaceStale' })
  const descriptor = listener.duplicate()
  // The parent accepts nothing. The socket stays open, because of the duplicate.
  await listener.close()

  // Both wait in the queue: no child runs yet.
  const answers = [ask(path), ask(path)]
  for (const name of ['first', 'second']) {
    const child = spawn(process.execPath, [file, '--serve', name], {
      stdio: ['ignore', 'inherit', 'inherit', descriptor.fd],
    })
    await once(child, 'exit')
  }
  for (const answer of await Promise.all(answers)) console.log(answer)
  descriptor.close()
  unlinkSync(path)
}

async function ask(path) {
  let text = ''
  for await (const chunk of await connect(path, { timeout: 10_000 })) text += chunk
  return text
}

const [first, second] = process.argv.slice(2)
if (first === '--serve') await serve(second)
else await supervise(first ?? 'listening-child.sock')
