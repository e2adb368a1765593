// Three machines on this one: two with a backend each, and the edge, which balances over them. As root:
//
//   unshare --mount --net --pid --fork --kill-child --mount-proc node examples/across-machines/machines.js DIRECTORY
//
// Without root, add `--user --map-root-user`. It needs HAProxy and iproute2. With `nginx` as the last argument, nginx is in front of the
// backends, and HAProxy only at the edge. Send requests to DIRECTORY/edge/edge.sock, for example with client.js, and type meanwhile:
//
//   kill b    SIGKILL: its requests in flight are lost
//   stop b    SIGTERM: it answers its clients, and ends
//   start b   again
//
// The end of the input ends everything. This is the first process of its process namespace, so the kernel ends the others with it. The names
// of the network namespaces are in a file system of this mount namespace alone, so they vanish, too.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const directory = resolve(process.argv[2] ?? 'machines')
const here = name => fileURLToPath(new URL(name, import.meta.url))
const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
const machines = ['a', 'b']
const proxies = {
  haproxy: ['haproxy', '-db', '-f', here('machine.cfg')],
  nginx: ['nginx', '-e', 'stderr', '-p', '.', '-c', here('machine.conf')],
}
const proxy = proxies[process.argv[3] ?? 'haproxy']
const backends = new Map()

if (process.pid !== 1)
  throw new Error('this must be the first process of a process namespace: see its first lines')
run('mount', '-t', 'tmpfs', 'tmpfs', '/run')

function addMachine(name) {
  run('ip', 'netns', 'add', name)
  mkdirSync(join(directory, name), { recursive: true })
}

/** A cable from the edge to a machine. */
function link(machine, network) {
  run('ip', 'link', 'add', `to-${machine}`, 'netns', 'edge', 'type', 'veth', 'peer', 'eth0', 'netns', machine)
  for (const [name, device, address] of [
    ['edge', `to-${machine}`, `${network}.1/24`],
    [machine, 'eth0', `${network}.2/24`],
  ]) {
    run('ip', '-n', name, 'address', 'add', address, 'dev', device)
    run('ip', '-n', name, 'link', 'set', device, 'up')
  }
}

/** A process on a machine, in its directory there. */
function start(machine, ...command) {
  return spawn('ip', ['netns', 'exec', machine, ...command], {
    cwd: join(directory, machine),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

function startProxy(machine, command) {
  start(machine, ...command).once('exit', (code, signal) => {
    console.error(`the proxy of ${machine} ended with ${signal ?? code}`)
    process.exit(1)
  })
}

function startBackend(machine) {
  if (backends.has(machine)) return
  const backend = start(machine, process.execPath, here('backend.js'), machine)
  backends.set(machine, backend)
  backend.once('exit', (code, signal) => {
    backends.delete(machine)
    console.log(`${machine} ended with ${signal ?? code}`)
  })
}

addMachine('edge')
for (const [index, machine] of machines.entries()) {
  addMachine(machine)
  link(machine, `10.0.${index + 1}`)
  startBackend(machine)
  startProxy(machine, proxy)
}
startProxy('edge', ['haproxy', '-db', '-f', here('edge.cfg')])

const commands = {
  kill: machine => backends.get(machine)?.kill('SIGKILL'),
  stop: machine => backends.get(machine)?.kill('SIGTERM'),
  start: startBackend,
}
process.once('SIGINT', () => process.exit())
for await (const line of createInterface({ input: process.stdin })) {
  const [command, machine] = line.trim().split(/\s+/)
  if (Object.hasOwn(commands, command) && machines.includes(machine)) commands[command](machine)
  else console.error(`"${line}" is no command: kill, stop or start, and ${machines.join(' or ')}`)
}
process.exit()
