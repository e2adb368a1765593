// Reads everything and discards it.
import { connect } from '../../index.js'
import { address } from './socket-address.js'

const socket = await connect(address(process.argv[2]))
socket.resume().on('end', () => socket.end())
