// Prints as JSON what adopt() says of the descriptors that are its arguments.
import { adopt } from '../../index.js'

const answers = []
for (const fd of process.argv.slice(2))
  answers.push(
    await adopt(Number(fd), { type: 'stream' }).then(
      () => 'adopted',
      ({ message }) =>
        /is (?:\d+ is )?(.*); adopt/.exec(message.replace('descriptor is invalid: ', 'is '))[1],
    ),
  )
console.log(JSON.stringify(answers))
