/**
 * Options that have no effect on a path: node:net itself validates and keeps them, so that they behave as in the version of Node
 * that runs.
 */
import nodeNet, { type BlockList, type ServerOpts, type Socket } from 'node:net'

/** Validates the option `blockList`, and returns the `blockList` that a socket or server of node:net would have. */
export function blockListOf(options: unknown): BlockList | undefined {
  const { blockList } = (options ?? {}) as { blockList?: BlockList }
  return blockList
    ? (new nodeNet.Server({ blockList } as ServerOpts) as { blockList?: BlockList }).blockList
    : undefined
}

/** A socket of node:net that is never connected. It validates and keeps the type of service, if this version has that option. */
export type ServiceType = Socket & {
  getTypeOfService?(): number
  setTypeOfService?(value: number): unknown
}

/** Validates the option `typeOfService`; returns undefined if it is absent. */
export function serviceType(options: unknown): ServiceType | undefined {
  const { typeOfService } = (options ?? {}) as { typeOfService?: number }
  return typeOfService === undefined
    ? undefined
    : (new nodeNet.Socket({ typeOfService } as object) as ServiceType)
}
