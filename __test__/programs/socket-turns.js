// Opens so many sockets, writes on each in the way that its second argument names, and closes. Run under strace. Its last argument is how many
// nanoseconds pass between two looks at the clock.
const [, , path, way, count, step] = process.argv
let time = 1e9
process.hrtime = () => [Math.floor((time += Number(step)) / 1e9), time % 1e9]
const { connect } = await import('../../index.js')
const { address } = await import('./socket-address.js')
const sockets = await Promise.all(Array.from({ length: Number(count) }, () => connect(address(path))))
const turn = () => {
  for (const socket of sockets) {
    for (let i = 0; i < 50; i++) {
      socket.write(Buffer.from('small '))
      socket.write('string ')
      socket.write('')
    }
  }
}
const turns = {
  once: () => turn(),
  timer: () => setTimeout(turn, 1),
  immediate: () => setImmediate(turn),
  tick: () => process.nextTick(turn),
  promise: () => void Promise.resolve().then(turn).then(turn),
  corked: () => {
    for (const socket of sockets) socket.cork()
    turn()
    setImmediate(() => {
      turn()
      for (const socket of sockets) socket.uncork()
    })
  },
  'large at the end': () => {
    turn()
    for (const socket of sockets) socket.write(Buffer.alloc(20_000, 'l'))
  },
  data: () => {
    for (const socket of sockets) socket.once('data', turn)
  },
}
turns[way]()
const rest = way === 'promise' || way === 'corked' ? 2 : 1
const length = rest * 50 * 13 + (way === 'large at the end' ? 20_000 : 0)
const wait = () => {
  if (sockets.some(socket => socket.bytesWritten < length)) setTimeout(wait, 1)
  else for (const socket of sockets) socket.destroy()
}
wait()
