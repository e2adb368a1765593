// The threads of this process (Linux), without those that end meanwhile.
import { readdirSync, readFileSync } from 'node:fs'

export function threads() {
  return readdirSync('/proc/self/task').flatMap(thread => {
    try {
      return [{ thread: Number(thread), status: readFileSync(`/proc/self/task/${thread}/status`, 'utf8') }]
    } catch {
      return []
    }
  })
}
