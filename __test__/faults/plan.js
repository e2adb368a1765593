// The plan by which system calls fail, in the addon that the environment names.
import { createRequire } from 'node:module'

const addon = createRequire(import.meta.url)(process.env.NAPI_RS_NATIVE_LIBRARY_PATH)

/** Makes system calls fail by `rules` from now on; see crates/udsock/src/fault.rs. Throws for an invalid rule. */
export const setFaults = (rules, seed) => addon.setFaults(rules, seed)

/** By site since then: [calls, faults]. */
export function faultCounts() {
  const lines = addon.faultReport().split('\n').filter(Boolean)
  return Object.fromEntries(
    lines.map(line => {
      const [site, calls, faults] = line.split(' ')
      return [site, [Number(calls), Number(faults)]]
    }),
  )
}
