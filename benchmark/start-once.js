// A command that asks once. Prints its CPU time in milliseconds and its largest RSS in MiB when it ends.
import { writeSync } from 'node:fs'

const [, , transport, address] = process.argv

async function connected() {
  if (transport === 'udsock') return (await import('udsock')).connect(address)
  const net = await import('node:net')
  return new Promise((resolve, reject) => {
    const socket = net.connect(address, () => resolve(socket)).once('error', reject)
  })
}

const socket = await connected()
const question = 'x'.repeat(64)
let answer = ''
socket.setEncoding('latin1')
socket.on('data', text => {
  answer += text
  if (answer.length === question.length) socket.end()
})
socket.on('close', () => {
  if (answer !== question) throw new Error('a wrong answer came')
})
socket.write(question)

process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  writeSync(1, JSON.stringify({ cpu: (userCPUTime + systemCPUTime) / 1000, rss: maxRSS / 1024 }))
})
