// Serves the descriptor of its argument: echoes one connection, closes, and prints its findings.
import { readFileSync, readlinkSync } from 'node:fs'
import { listen } from '../../index.js'

const fd = Number(process.argv[2])
const look = () => {
  try {
    return `${readlinkSync(`/proc/self/fd/${fd}`)} ${readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')}`
  } catch (error) {
    return error.code
  }
}

const before = look()
let outcome
let message = ''
let after
try {
  const listener = await listen({ fd })
  outcome = listener.path
  after = look()
  console.log('serving')
  const socket = await listener.accept()
  for await (const chunk of socket) socket.write(chunk)
  await socket[Symbol.asyncDispose]()
  await listener.close()
} catch (error) {
  outcome = error.code
  message = error.message
  after = look()
}
console.log(JSON.stringify({ outcome, message, before, after, open: look() !== 'ENOENT' }))
