// SPDX-License-Identifier: Apache-2.0
// gRPC's status codes, without loading gRPC.

import type * as grpc from '@grpc/grpc-js';

type Status = (typeof grpc)['status'];

/**
 * The status codes of calls that matter here.
 * Source: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
 */
export const GrpcStatus: Pick<
  Status,
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'PERMISSION_DENIED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED'
> = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
};
