import { z } from 'zod';
import { Count } from './fields.ts';

/** Where the data VIPs of an S3 store are, in `[general]` and `[server NAME]`. Documented in docs/service.md. */
export const vipFields = {
  /** URLs of the VIPs, separated by commas. */
  endpoints: z.string().min(1).optional(),
  /** DNS name that has the addresses of all VIPs. */
  dns_name: z
    .string()
    .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$/, 'give a DNS name')
    .optional(),
  /** IP addresses of the DNS servers to ask, with or without port, separated by commas; default: the system's. */
  dns_servers: z.string().min(1).optional(),
  /** Requests, and so connections, that one VIP gets at the same time. */
  connections_per_vip: Count(1, 1024).default(64),
} as const;
