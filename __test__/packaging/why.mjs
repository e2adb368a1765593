// What keeps the process alive: the listener, and not the sockets, which are unreferenced; nothing once all are closed.
import whyIsNodeRunning from 'why-is-node-running'

// After the hooks of the import above, so that they see everything of the package.
const { connect, listen } = await import('udsock')

/** Returns the types of what is alive, each with the line of this file that made it. */
function alive() {
  const lines = []
  whyIsNodeRunning({ error: line => lines.push(line) })
  const own = lines.filter(line => /^# Unix|^why\.mjs:.* - /.test(line))
  return own.map(line => line.replace(/^why.* - /, 'by ')).join(' ')
}

const listener = await listen(`why-${process.pid}.sock`)
const [client, accepted] = await Promise.all([connect(listener.path), listener.accept()])
client.unref().write('text', () => {})
accepted.unref()
console.log(`open: ${alive()}.`)

client.destroy()
accepted.destroy()
await listener.close()
console.log(`closed: ${alive()}.`)
