import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import nodeNet, { type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { compare, type Difference, once, type World } from './helpers.js'

/** A path, because Deno finds `udsock/net` for programs of the project alone. */
const ourModule = join(dirname(createRequire(import.meta.url).resolve('udsock/package.json')), 'lib/net.js')

/** A program in a process of its own, with `net` and `path`, behind a launcher or without; it has 10 seconds. */
function start(
  world: World,
  program: string,
  stdio: readonly (string | Socket)[] = [],
  launcher: string[] = [],
): ChildProcess {
  const specifier = world.net === nodeNet ? 'node:net' : ourModule
  const source = `import net from ${JSON.stringify(specifier)}
    const path = ${JSON.stringify(world.path)}
    ${program}`
  // Deno takes no module from its command line.
  const file = join(world.directory, 'program.mjs')
  writeFileSync(file, source)
  const [input = 'ignore', output = 'pipe', errors = 'inherit', ...others] = stdio
  const [command, ...args] = [...launcher, process.execPath, file]
  const all = [input, output, errors, ...others] as StdioOptions
  const child: ChildProcess = spawn(command!, args, { stdio: all, timeout: 10_000, killSignal: 'SIGKILL' })
  let said = ''
  child.stdout?.on('data', chunk => (said += chunk))
  child.on('close', () => world.note('said', said.trim().split('\n')))
  return child
}

async function end(world: World, child: ChildProcess): Promise<void> {
  world.note('exit', await once(child, 'close'))
}

/** What lets the process end by itself, and what is left at the path then. */
const programs: Record<string, string> = {
  'an unreferenced server': `
    net.createServer().listen(path, () => console.log('listening')).unref()`,
  'a server that is unreferenced before listen()': `
    net.createServer().unref().listen(path, () => console.log('listening'))`,
  'a server that was closed': `
    const server = net.createServer()
    server.listen(path, () => server.close(() => console.log('closed')))`,
  'a socket that was never connected': `
    new net.Socket().on('close', () => console.log('close'))`,
  'a socket that was never connected, with a write': `
    new net.Socket().on('error', error => console.log(error.code)).write('hello')`,
  'a connection that fails': `
    net.connect(path).on('error', error => console.log(error.code)).on('close', () => console.log('close'))`,
  'an unreferenced connection that fails': `
    net.connect(path).on('error', error => console.log(error.code)).unref()`,
  'an unreferenced pair': `
    const server = net.createServer(socket => socket.unref()).unref()
    server.listen(path, () => net.connect(path, function () { this.unref(); console.log('connected') }))`,
  'a pair that ends': `
    const server = net.createServer(socket => socket.end('hello'))
    server.listen(path, () => net.connect(path).on('data', data => console.log(String(data))).on('close', () => server.close()))`,
  'a paused pair': `
    const server = net.createServer({ pauseOnConnect: true }, socket => {}).unref()
    server.listen(path, () => net.connect(path, function () { this.pause(); console.log('connected') }))`,
  'a timeout alone': `
    const server = net.createServer(socket => socket.unref()).unref()
    server.listen(path, () => net.connect(path, function () { this.setTimeout(5000).unref(); console.log('connected') }))`,
  'a referenced server is exited': `
    net.createServer().listen(path, () => { console.log('listening'); setTimeout(() => process.exit(3), 20) })`,
  "a server that is closed in 'beforeExit'": `
    const server = net.createServer().unref()
    server.listen(path)
    process.on('beforeExit', () => { console.log('beforeExit'); if (server._handle) server.close(() => console.log('close')) })`,
  'a socket that connects twice': `
    net.createServer(socket => socket.resume().on('error', () => {})).listen(path, () => {
      const client = net.connect(path, () => console.log('first'))
      for (const event of ['connectionAttempt', 'connect', 'error', 'close'])
        client.on(event, value => console.log(event, value?.code ?? ''))
      client.connect(path, () => console.log('second'))
      console.log(client.connecting, client.pending)
      client.write('hello', error => console.log('written', error.code))
      client.on('close', () => setTimeout(() => process.exit(3), 20))
    })`,
  'an unhandled error': `
    process.on('uncaughtException', error => { console.log(error.message.replace(path, 'PATH')); process.exit(4) })
    net.connect(path)`,
  'an unhandled listen error': `
    process.on('uncaughtException', error => { console.log(error.code); process.exit(4) })
    net.createServer().listen(path + '/none')`,
  'what was written before the exit': `
    const server = net.createServer(socket => socket.on('data', data => console.log(String(data))).on('end', () => process.exit()))
    server.listen(path, () => net.connect(path).end('hello'))`,
}

for (const [title, program] of Object.entries(programs)) {
  const removed: Difference = {
    reason: 'the file is removed at process.exit(), too',
    ours: { said: [['listening']], exit: [[3, null]], file: [false] },
  }
  const run = async (world: World): Promise<void> => {
    await end(world, start(world, program))
    if (!/written before|twice/.test(title)) world.note('file', existsSync(world.path))
  }
  compare(`a process ends by itself: ${title}`, run, title.endsWith('exited') ? removed : undefined)
}

for (const title of ['new Socket({ fd })', 'Socket(fd)'])
  compare(`${title} of a connected descriptor`, async world => {
    const make = title.startsWith('new') ? 'new net.Socket({ fd: 3 })' : 'net.Socket(3)'
    const child = start(
      world,
      `const socket = ${make}
       console.log(socket.connecting, socket.pending, socket.readyState)
       socket.on('data', data => socket.write('got ' + data)).on('end', () => console.log('end'))
       socket.on('close', hadError => console.log('close', hadError))`,
      ['ignore', 'pipe', 'inherit', 'pipe'],
    )
    const socket = child.stdio[3] as Socket
    socket.write('hello')
    const [answer] = await once(socket, 'data')
    world.note('answer', answer)
    socket.end()
    await end(world, child)
  })

/** Starts the program behind it with a listening socket as its descriptor 3. */
const activator = `
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(5)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.execv(sys.argv[2], sys.argv[2:])`

compare('listen({ fd }) of a listening descriptor', async world => {
  const child = start(
    world,
    `const server = net.createServer(socket => socket.end('hello'))
     server.listen({ fd: 3 }, () => console.log('listening', server.listening, server.address()))
     server.on('close', () => console.log('close'))
     server.once('connection', () => server.close())`,
    [],
    ['python3', '-c', activator, world.path],
  )
  await once(child.stdout!, 'data')
  const client = world.keep(nodeNet.connect(world.path))
  world.collect('client', client)
  await end(world, child)
})
