// Adopts a bound socket for datagrams and one of a pair, by their numbers, and answers each message.
import { adopt } from '../../index.js'

const [bound, paired] = await Promise.all(process.argv.slice(2).map(fd => adopt(Number(fd))))
console.log(bound.constructor.name, typeof bound.path, paired.constructor.name, typeof paired.path)
paired.once('message', async message => {
  await paired.sendAndWait(`re: ${message}`)
  await paired.close()
})
let count = 0
for await (const { data, from } of bound) {
  await bound.sendAndWait(`re: ${data}`, { to: from })
  if (++count === 2) break
}
