// Listens and connects at each path that the arguments give, `@name` for an abstract one; prints the outcome by each
// interface, in JSON; `readableAll` is an option of the second. It is started under Node's permission model.
import { abstractName, connect, isSupported, listen } from '../../index.js'
import net from '../../net.js'

const [how, ...names] = process.argv.slice(2)
const readableAll = how === 'readableAll'
const onExisting = readableAll ? 'error' : how

const told = error => {
  const { code, permission, resource, syscall, message } = error
  return { code, permission, resource, syscall, message }
}

const closed = emitter => new Promise(resolve => emitter.once('close', resolve))

async function own(path) {
  const outcome = { listen: 'done', connect: 'done' }
  const listener = await listen(path, { onExisting }).catch(error => (outcome.listen = told(error)))
  const socket = await connect(path).catch(error => (outcome.connect = told(error)))
  if (outcome.connect === 'done') socket.destroy()
  if (outcome.listen === 'done') await listener.close()
  return outcome
}

async function drop(path) {
  const outcome = { listen: 'done', connect: 'done' }
  const server = net.createServer()
  try {
    await new Promise((resolve, reject) =>
      server.once('error', reject).listen({ path, readableAll }, resolve),
    )
  } catch (error) {
    outcome.listen = told(error)
  }
  try {
    const socket = net.connect(path, () => socket.destroy())
    socket.once('error', error => (outcome.connect = told(error)))
    await closed(socket)
  } catch (error) {
    outcome.connect = told(error)
  }
  if (server.listening) await closed(server.close())
  return outcome
}

const report = []
for (const name of names) {
  const isAbstract = name.startsWith('@')
  const udsock = await own(isAbstract ? abstractName(name.slice(1)) : `${name}/a`)
  report.push({ udsock, net: await drop(isAbstract ? name.replace('@', '\0') : `${name}/b`) })
}
console.log(JSON.stringify({ isSupported, report }))
