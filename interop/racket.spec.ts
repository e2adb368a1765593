// racket/unix-socket, whose documentation is the specification of this package.
import { converse, converseOnExactNames, type Foreign } from './conversations.js'
import { abstractAddress, runs } from './helpers.js'

const racket: Foreign = {
  name: 'racket',
  available: runs('racket', '-l', 'racket/base', '-l', 'racket/unix-socket'),
  install: 'apt-get install racket, or see https://racket-lang.org',
  command: (role, address, manner) => ['racket', 'peer.rkt', role, address.argument, manner],
  abstractAddress,
}

converse(racket)
converseOnExactNames(racket)
