import { existsSync } from 'node:fs'
import { converse, converseOnExactNames, type Foreign } from './conversations.js'
import { abstractAddress, runs } from './helpers.js'

const program = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

const python: Foreign = {
  name: 'python',
  available: runs(program, '-c', 'import hashlib, socket'),
  install: 'apt-get install python3, or see https://www.python.org',
  command: (role, address, manner) => [program, 'peer.py', role, address.argument, manner],
  abstractAddress,
}

converse(python)
converseOnExactNames(python)
