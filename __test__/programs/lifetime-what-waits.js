// Does what the first argument names, to the listener at the second. It never ends the process itself: when nothing
// keeps it alive any more, it ends. The unreferenced timer proves that it was alive later; it cannot keep it alive.
import { abstractName, connect, listen } from '../../index.js'

const [what, path] = process.argv.slice(2)

/** Runs `then` only if something else keeps the process alive. */
function ifAlive(then) {
  setTimeout(() => {
    console.log('alive')
    then()
  }, 1000).unref()
}

const ownName = () => abstractName(`udsock-lifetime-${process.pid}`)

const scenes = {
  async 'an unreferenced listener'() {
    ;(await listen(ownName())).unref()
    ifAlive(() => {})
  },
  async 'an unreferenced listener with a pending accept'() {
    const listener = await listen(ownName())
    listener.unref()
    ifAlive(() => {})
    void listener.accept()
    void listener.ready()
  },
  async 'an unreferenced listener with a pending iteration'() {
    const listener = await listen(ownName())
    listener.unref()
    ifAlive(() => {})
    for await (const socket of listener) socket.destroy()
  },
  async 'a socket that is destroyed behind a write to a peer that is gone'() {
    const listener = await listen(ownName())
    const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
    client.on('data', () => {})
    server.destroy()
    await new Promise(resolve => server.once('close', resolve))
    client.write('x')
    client.destroy()
    await listener.close()
    ifAlive(() => {})
  },
  async 'an unreferenced reading socket'() {
    const socket = await connect(path)
    socket.on('data', () => {})
    socket.unref()
    ifAlive(() => {})
  },
  async 'an unreferenced socket with bytes to send'() {
    const socket = await connect(path)
    socket.unref()
    socket.write(Buffer.alloc(8 * 1024 * 1024))
    ifAlive(() => {})
  },
  async 'a socket paused before it has read'() {
    const socket = await connect(path)
    socket.pause()
    socket.on('data', () => {})
    ifAlive(() => {})
  },
  async 'a paused socket whose buffer is full'() {
    const socket = await connect(path)
    socket.once('data', () => socket.pause())
    while (socket.readableLength < socket.readableHighWaterMark) await new Promise(setImmediate)
    console.log('full')
    ifAlive(() => {})
  },
  async 'a socket without a reader'() {
    const socket = await connect(path)
    socket.write('hello')
    ifAlive(() => {})
  },
  async 'a socket with a timeout and without a reader'() {
    const socket = await connect(path)
    socket.setTimeout(600_000)
    ifAlive(() => {})
  },
  async 'an aborted connect'() {
    const controller = new AbortController()
    const connecting = connect(path, { signal: controller.signal })
    controller.abort()
    await connecting.catch(({ name }) => console.log(name))
    ifAlive(() => {})
  },
  async 'a closed listener'() {
    const listener = await listen(ownName())
    const accepted = listener.accept()
    await listener.close()
    await accepted.catch(({ code }) => console.log(code))
    ifAlive(() => {})
  },
  async 'a destroyed socket'() {
    const socket = await connect(path)
    socket.on('data', () => {})
    socket.destroy()
    ifAlive(() => {})
  },
  async 'both directions of a socket ended'() {
    const socket = await connect(path)
    socket.on('data', chunk => console.log(String(chunk)))
    socket.on('close', () => console.log('closed'))
    socket.end('end')
    socket.on('end', () => ifAlive(() => {}))
  },
  async 'a listener'() {
    const listener = await listen(ownName())
    ifAlive(() => listener.close())
  },
  async 'a listener referenced again'() {
    const listener = await listen(ownName())
    listener.unref().unref().ref()
    ifAlive(() => listener.unref())
  },
  async 'a reading socket'() {
    const socket = await connect(path)
    socket.on('data', () => {})
    ifAlive(() => socket.destroy())
  },
  async 'a reading socket that stops'() {
    const socket = await connect(path)
    socket.on('data', () => {})
    ifAlive(() => socket.unref())
  },
  async 'an unreferenced socket referenced again'() {
    const socket = await connect(path)
    socket.on('data', () => {})
    socket.unref().unref().ref()
    ifAlive(() => socket.closeRead())
  },
  async 'bytes to send'() {
    const socket = await connect(path)
    socket.write(Buffer.alloc(4 * 1024 * 1024, 'x'), () => console.log('sent'))
    ifAlive(() => {})
  },
  async 'bytes to send before the end'() {
    const socket = await connect(path)
    socket.end(Buffer.alloc(4 * 1024 * 1024, 'x'), () => console.log('sent'))
    ifAlive(() => {})
  },
  async 'a pending connect'() {
    ifAlive(() => {})
    const socket = await connect(path)
    console.log('connected')
    socket.destroy()
  },
  async 'a pending connect with a timeout'() {
    ifAlive(() => {})
    await connect(path, { timeout: 2000 }).catch(({ code }) => console.log(code))
  },
}

await scenes[what]()
