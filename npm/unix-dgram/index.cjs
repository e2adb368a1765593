module.exports = require('udsock/dgram')
