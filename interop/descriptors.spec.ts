import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Descriptor, listen, type UnixSocket } from '../index.js'
import { Program, runs } from '../__test__/helpers/program.js'
import { printed, projectWithExamples } from '../__test__/helpers/project.js'
import { directory, eventually, receiveAll } from '../__test__/helpers/sockets.js'

const python = runs('/usr/bin/python3', '-c', 'import socket; socket.send_fds')
  ? '/usr/bin/python3'
  : 'python3'
const hasPython = runs(python, '-c', 'import socket; socket.send_fds')
const hasBus = runs('dbus-daemon', '--version')
if (!hasPython) console.log('# descriptors of Python: skipped, install python3 3.9 or later')
if (!hasBus) console.log('# descriptors over D-Bus: skipped, install dbus-daemon')
const withPython = hasPython ? test : test.skip
const withBus = hasBus ? test : test.skip

const program = fileURLToPath(new URL('descriptors.py', import.meta.url))

/** Starts the program, and accepts its connection. */
async function peer(t: ExecutionContext, role: string, ...args: string[]): Promise<[UnixSocket, Program]> {
  const listener = await listen(join(directory(t), 's'), { receiveDescriptors: 253 })
  t.teardown(() => listener.close())
  const started = new Program(t, python, [program, role, String(listener.path), ...args])
  const socket = await listener.accept()
  t.teardown(() => socket.destroy())
  return [socket, started]
}

withPython('Python gets descriptors with their bytes, and sends them back', async t => {
  t.timeout(60_000)
  const [socket, { ended }] = await peer(t, 'echo')
  const folder = directory(t)
  const files = Array.from({ length: 253 }, (_, index) => {
    writeFileSync(join(folder, String(index)), `file ${index}`)
    return openSync(join(folder, String(index)), 'r')
  })
  const lots: Descriptor[][] = []
  socket.on('descriptors', lot => lots.push(lot as Descriptor[]))
  const bytes = receiveAll(socket)
  const counts = [1, 2, 0, 253, 7]
  for (const [index, count] of counts.entries())
    socket.write(`<${index}>`, { descriptors: files.slice(0, count).map(fd => Descriptor.duplicate(fd)) })
  await eventually('all come back', () => lots.length === 4)
  socket.end()
  t.is(String(await bytes), '<0><1><2><3><4>')
  const memory = Buffer.alloc(100)
  const textOf = ({ fd }: Descriptor): string => String(memory.subarray(0, readSync(fd, memory, 0, 100, 0)))
  t.deepEqual(
    lots.map(lot => lot.map(textOf)),
    counts.filter(Boolean).map(count => files.slice(0, count).map((_, index) => `file ${count - 1 - index}`)),
  )
  for (const descriptor of lots.flat()) descriptor.close()
  t.is((await ended).code, 0)
})

withPython('a supervisor in Python passes a listening socket, which is served', async t => {
  const place = join(directory(t), 'served')
  const [socket, { ended }] = await peer(t, 'supervise', place)
  const [listening] = await new Promise<Descriptor[]>(resolve => {
    socket.on('descriptors', resolve)
    socket.resume()
  })
  t.is(listening!.kind, 'socket')
  const listener = await listen({ fd: listening!.release() })
  t.is(listener.path, place)
  const client = await listener.accept()
  client.once('data', () => client.end('pong'))
  t.like(await ended, { code: 0, output: 'pong' })
  await listener.close()
})

withBus('a D-Bus method takes an open file, through a real bus', async t => {
  const home = projectWithExamples(t)
  const folder = directory(t)
  mkdirSync(folder, { recursive: true })
  const bus = join(folder, 'bus')
  const policy = '<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>'
  writeFileSync(
    join(folder, 'bus.conf'),
    '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" ' +
      '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">' +
      `<busconfig><type>session</type><listen>unix:path=${bus}</listen><auth>EXTERNAL</auth>` +
      `<policy context="default">${policy}</policy></busconfig>`,
  )
  const args = [`--config-file=${join(folder, 'bus.conf')}`, '--nofork', '--nopidfile', '--print-address']
  const daemon = spawn('dbus-daemon', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => daemon.kill())
  // It prints its address when it listens.
  await new Promise(resolve => daemon.stdout.once('data', resolve))
  writeFileSync(join(home, 'lines.txt'), 'one\ntwo\nthree\n')
  t.is(await printed(home, 'examples/dbus-descriptors.js', bus), '3 lines\n')
})
