import { converse, type Foreign, type Role } from './conversations.js'
import { abstractAddress, runs, type Address } from './helpers.js'

function endpoint(role: Role, { argument }: Address): string {
  const kind = role.toUpperCase()
  return argument.startsWith('@') ? `ABSTRACT-${kind}:${argument.slice(1)}` : `UNIX-${kind}:${argument}`
}

const socat: Foreign = {
  name: 'socat',
  available: runs('socat', '-V'),
  install: 'apt-get install socat, or see http://www.dest-unreach.org/socat',
  // socat carries everything between the socket and a program of its own, half-closes included.
  command(role, address, manner) {
    const program = `EXEC:${process.execPath} peer.js inherit - ${manner}`
    // -d -d: says when it listens. -t: how long one direction may outlive the other.
    return ['socat', '-d', '-d', '-t', '60', endpoint(role, address), program]
  },
  abstractAddress,
}

converse(socat)
