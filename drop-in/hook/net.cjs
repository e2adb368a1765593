'use strict'
// What `require('net')` returns while the hook is in force.
module.exports = globalThis[Symbol.for('udsock.drop-in')]
