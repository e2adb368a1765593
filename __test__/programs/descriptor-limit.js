// Sends more descriptors than the user of this process may have under way, and reads them late. The arguments are `whenTooMany` and the type of
// the sockets. Prints as JSON what was sent before the first read, what arrived, and the error.
import { socketpair } from '../../index.js'
import './settled.js'

const [whenTooMany, type] = process.argv.slice(2)
// From here on without privileges, under which there is no limit, and as a user of its own, because the kernel counts for each user.
const user = 100_000 + process.pid
process.setgid(user)
process.setuid(user)
const [one, other] = socketpair({ type, receiveDescriptors: 8 })
let [taken, arrived, failure] = [0, 0, null]
one.on('error', ({ code }) => {
  failure = code
})
const options = { descriptors: Array.from({ length: 8 }, () => 0), whenTooMany }
async function send() {
  // One after the other, because those that wait take places in this process, too.
  for (let message = 0; message < 20 && !one.destroyed; message++)
    await new Promise(resolve => {
      const callback = error => {
        if (error) failure = error.code
        else taken++
        resolve()
      }
      const text = String(message % 10)
      if (type === 'stream') one.write(text, options, callback)
      else one.send(text, options, callback)
    })
}
const sending = send()
// Long enough for several attempts.
await new Promise(resolve => setTimeout(resolve, 300))
const before = taken
const take = list => {
  arrived += list.length
  for (const descriptor of list) descriptor.close()
}
let text = ''
if (type === 'stream') {
  other.on('descriptors', take)
  other.on('data', chunk => {
    text += chunk
  })
} else {
  other.on('message', (message, { descriptors }) => {
    take(descriptors)
    text += message
  })
}
await sending
while (text.length < taken) await new Promise(resolve => setTimeout(resolve, 5))
console.log(JSON.stringify({ before, text, arrived, failure }))
process.exit()
