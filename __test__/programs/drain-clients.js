// Makes requests, eight at a time, to listeners that come and go at a path, until its input ends. A refused client tries again;
// every client that was connected must be answered. Prints how many were answered, refused and lost.
import { connect } from '../../index.js'

const refusals = new Set(['ECONNREFUSED', 'ENOENT'])
const counts = { answered: 0, refused: 0, lost: 0 }
process.stdin.resume()

async function request() {
  let socket
  try {
    socket = await connect(process.argv[2])
  } catch (error) {
    if (!refusals.has(error.code)) throw error
    counts.refused++
    await new Promise(setImmediate)
    return
  }
  socket.end('question')
  let answer = ''
  try {
    for await (const chunk of socket) answer += chunk
  } catch {
    // Counted as lost.
  }
  counts[answer === 'question' ? 'answered' : 'lost']++
}

async function client() {
  while (!process.stdin.readableEnded) await request()
}

await Promise.all(Array.from({ length: 8 }, client))
console.log(JSON.stringify(counts))
