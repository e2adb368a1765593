// Argument: a directory in a mount namespace of this process's own. Listens on a file system without a free inode, and on one
// that is read-only; prints the outcomes.
import { setTimeout as delay } from 'node:timers/promises'
import './settled.js'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect, listen } from '../../index.js'

const home = process.argv[2]
const everyWay = ['error', 'replaceStale', 'takeOver']
const outcome = (path, options) =>
  listen(path, options).then(
    listener => listener.close().then(() => 'listening'),
    error => error.code,
  )
const descriptors = () => readdirSync('/proc/self/fd').length
/** Descriptors more than `open` that stay: some runtimes close a child's pipes a moment after it has ended. */
async function leakedSince(open) {
  for (let tries = 0; tries < 100 && descriptors() > open; tries++) await delay(20)
  return Math.max(0, descriptors() - open)
}

async function serves(listener) {
  const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
  client.destroy()
  server.destroy()
  return true
}

async function onFileSystem(name, size, spoil) {
  const directory = `${home}/${name}`
  mkdirSync(directory)
  execFileSync('mount', ['-t', 'tmpfs', '-o', size, 'none', directory])
  const dead = await listen(`${directory}/dead`)
  await dead.close()
  const live = await listen(`${directory}/live`, { unlinkOnClose: true })
  spoil(directory)
  const names = readdirSync(directory)
  const open = descriptors()
  const found = {}
  for (const onExisting of everyWay) {
    for (const mode of [undefined, 0o600, 0o777])
      found[`nothing, ${onExisting}, ${mode}`] = await outcome(`${directory}/new`, { onExisting, mode })
  }
  found['live, takeOver'] = await outcome(live.path, { onExisting: 'takeOver' })
  found['live, replaceStale'] = await outcome(live.path, { onExisting: 'replaceStale' })
  if (name === 'read-only')
    found['dead, replaceStale'] = await outcome(dead.path, { onExisting: 'replaceStale' })
  execFileSync('flock', ['-n', directory, 'true'])
  found.unchanged = String(readdirSync(directory)) === String(names)
  found.leaked = await leakedSince(open)
  found.serves = await serves(live)
  await live.close()
  found.left = readdirSync(directory).filter(left => left === 'live').length
  return found
}

const full = await onFileSystem('full', 'nr_inodes=5', directory => {
  try {
    for (let number = 0; number < 10; number++) writeFileSync(`${directory}/filler${number}`, '')
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error
  }
})
const readOnly = await onFileSystem('read-only', 'size=1m', directory => {
  execFileSync('mount', ['-o', 'remount,ro', directory])
})
console.log(JSON.stringify({ full, readOnly }))
