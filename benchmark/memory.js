// Workloads that measure idle connections and kept chunks, and how their memory is read.
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { conversation } from './messages.js'

const inFlight = 32

/** The process's memory in bytes once the garbage is collected, so that only what is held counts. */
export function settledMemory() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  // The second collection frees what the first one's finalizers released.
  collect()
  collect()
  const { rss, arrayBuffers } = process.memoryUsage()
  return { rss, arrayBuffers }
}

/**
 * Opens `count` connections, on each of which a message has come back, and leaves them alone for `seconds`. What the
 * first twentieth costs is not counted: it holds the code that is loaded and compiled.
 */
export async function idle(context) {
  const { pattern, ask, seconds } = context
  const [message] = pattern.slices
  const talks = []
  const visit = async () => {
    const talk = await conversation(context)
    const answered = new Promise(resolve => {
      let missing = message.length
      talk.receive = chunk => {
        talk.checker.take(chunk)
        missing -= chunk.length
        if (missing === 0) resolve()
      }
    })
    talk.socket.write(message)
    await answered
    talks.push(talk)
  }
  const open = async goal => {
    let begun = talks.length
    const worker = async () => {
      while (begun < goal) {
        begun++
        await visit()
      }
    }
    await Promise.all(Array.from({ length: inFlight }, worker))
  }
  const consumed = async () => {
    const ours = process.cpuUsage()
    const theirs = await ask('usage')
    return ours.user + ours.system + theirs.user + theirs.system
  }
  return {
    async step(count) {
      const first = Math.ceil(count / 20)
      await open(first)
      const before = await ask('memory')
      await open(count)
      const after = await ask('memory')
      settledMemory()
      // Loads and compiles the code of the count.
      await consumed()
      await delay(seconds * 100)
      const start = performance.now()
      const used = await consumed()
      await delay(seconds * 1000)
      const microseconds = (await consumed()) - used
      return {
        operations: count,
        measures: {
          rssPerConnection: (after.rss - before.rss) / (count - first),
          idleCpu: microseconds / 1000 / (performance.now() - start),
        },
      }
    },
    get checkers() {
      return talks.map(talk => talk.checker)
    },
    close: () => Promise.all(talks.map(talk => talk.close())),
  }
}

/** Receives `count` messages one by one, so that each is a chunk of its own, and keeps all of them. */
export async function retain(context) {
  const { pattern, count } = context
  const talk = await conversation(context)
  const exchange = (times, keep) =>
    new Promise(resolve => {
      let missing = 0
      const ask = () => {
        const message = pattern.next()
        missing = message.length
        talk.socket.write(message)
      }
      talk.receive = chunk => {
        talk.checker.take(chunk)
        keep(chunk)
        missing -= chunk.length
        if (missing > 0) return
        if (--times > 0) ask()
        else resolve()
      }
      ask()
    })
  await exchange(Math.ceil(count / 10), () => {})
  const kept = []
  return {
    async step(operations) {
      const before = settledMemory()
      await exchange(operations, chunk => void kept.push(chunk))
      const after = settledMemory()
      const bytes = kept.reduce((sum, chunk) => sum + chunk.length, 0)
      const retainedPerByte = (after.arrayBuffers - before.arrayBuffers) / bytes
      return { operations, measures: { retainedPerByte } }
    },
    checkers: [talk.checker],
    close: () => talk.close(),
  }
}
