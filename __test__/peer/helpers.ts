import test from 'ava'
import { runs } from '../helpers/program.js'
import { sleep } from '../helpers/sockets.js'

export const python = '/usr/bin/python3'
export const me = process.geteuid!()
export const canChangeUser = me === 0 && runs(python, '-c', 'import os; os.setuid(1234)')
export const withUsers = canChangeUser ? test : test.skip
if (!canChangeUser) console.log('# other users: skipped, this needs root and /usr/bin/python3')

/** Returns what a promise resolves with within 20 ms, or 'pending'. */
export function settledSoon(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise, sleep(20).then(() => 'pending')])
}
