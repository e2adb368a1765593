// Listeners of 'error' that throw: every message socket still emits 'close', ends its loops, and can be disposed of.
import { FramedSocket, socketpair } from '../../index.js'

const uncaught = []
process.on('uncaughtException', error => uncaught.push(error.message))

const kinds = {
  framed: () => socketpair().map(socket => new FramedSocket(socket))[0],
  packet: () => socketpair({ type: 'seqpacket' })[0],
  datagram: () => socketpair({ type: 'datagram' })[0],
}
const thrower = error => {
  throw error
}
const outcomes = {}
for (const [kind, make] of Object.entries(kinds)) {
  const silent = make()
  silent.destroy(new Error(`${kind} without a listener`))
  await new Promise(resolve => silent.on('close', resolve))

  const looped = make().on('error', thrower)
  const next = looped[Symbol.asyncIterator]().next()
  looped.destroy(new Error(`${kind} in a loop`))
  const rejected = await next.catch(error => error.message)

  const disposed = make().on('error', thrower)
  disposed.destroy(new Error(`${kind} disposed of`))
  await disposed[Symbol.asyncDispose]()
  outcomes[kind] = rejected
}
process.stdout.write(JSON.stringify({ outcomes, uncaught }))
