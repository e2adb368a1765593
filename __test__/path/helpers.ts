import { type ExecutionContext } from 'ava'
import { constants } from 'node:os'
import { answer, start, startBehind } from '../helpers/program.js'

export type Outcome = string | { code: string; errno?: number; syscall?: string; address?: string }
export type Step = Record<string, unknown>

export const failure = (code: keyof typeof constants.errno, syscall: string, address: string): Outcome => ({
  code,
  errno: -constants.errno[code],
  syscall,
  address,
})

/** Returns the outcomes of steps of `programs/address-outcomes.js`, in a process of their own. */
export function outcomes(t: ExecutionContext, steps: Step[], behind?: string[]): Promise<Outcome[]> {
  const args = steps.map(step => JSON.stringify(step))
  const name = 'address-outcomes.js'
  return answer(t, behind === undefined ? start(t, name, args) : startBehind(t, behind, name, args))
}
