// Takes steps as JSON, one argument each, and prints the outcome of each: 'ok', or the fields of the error.
// A path is a string, or {"bytes": "hex"}.
import { connect, listen } from '../../index.js'

const outcomes = []

function pathOf(value) {
  return typeof value === 'string' ? value : Uint8Array.from(Buffer.from(value.bytes, 'hex'))
}

async function outcomeOf(promise, finish) {
  try {
    await finish(await promise)
    return 'ok'
  } catch ({ code, errno, syscall, address }) {
    return { code, errno, syscall, address }
  }
}

const actions = {
  chdir(directory) {
    process.chdir(directory)
  },
  become(user) {
    // The runtime's thread must change its user with the main thread, so it must exist before.
    process.setgroups([])
    process.setgid(user)
    process.setuid(user)
  },
  // Closed, but the file stays.
  listen: path => outcomeOf(listen(pathOf(path)), listener => listener.close()),
  connect: path =>
    outcomeOf(connect(pathOf(path)), socket => {
      socket.destroy()
    }),
  // The working directory changes between the call and the work.
  listenAndLeave([path, directory]) {
    const outcome = outcomeOf(listen(pathOf(path)), listener => listener.close())
    process.chdir(directory)
    return outcome
  },
  // The same, and the backlog is full until then.
  async connectAndLeave([path, directory]) {
    const listener = await listen(pathOf(path), { backlog: 0 })
    const first = await connect(pathOf(path))
    const waiting = connect(pathOf(path))
    process.chdir(directory)
    const firstAccepted = await listener.accept()
    const [second, secondAccepted] = await Promise.all([waiting, listener.accept()])
    second.end('from afar')
    let received = ''
    for await (const chunk of secondAccepted) received += chunk
    for (const socket of [first, firstAccepted, second, secondAccepted]) socket.destroy()
    await listener.close()
    return received
  },
}

for (const argument of process.argv.slice(2)) {
  const [[action, value]] = Object.entries(JSON.parse(argument))
  const outcome = await actions[action](value)
  if (outcome !== undefined) outcomes.push(outcome)
}
console.log(JSON.stringify(outcomes))
