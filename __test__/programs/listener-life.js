// A listener and nothing else: `node listener-life.js <path or @hexadecimal name> close|unref|unref-accept|ref`.
import { listen } from '../../index.js'
import { address } from './socket-address.js'

const [path, what] = process.argv.slice(2)
const listener = await listen(address(path))
const say = text => process.stdout.write(`${text}\n`)

if (what === 'close') {
  // Only the listener keeps the process alive until the first client comes, and nothing after that.
  listener.once('close', () => say('closed'))
  void listener.ready().then(() => listener.close())
} else if (what === 'unref') {
  listener.unref()
  process.once('exit', () => say('unref'))
} else if (what === 'unref-accept') {
  void listener.unref().accept()
  process.once('exit', () => say('unref'))
} else {
  listener.unref().ref().unref().ref()
  void listener.accept().then(socket => {
    say('accepted')
    socket.destroy()
    return listener.close()
  })
}
say('listening')
