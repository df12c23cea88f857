/** A setting that is one of a few models, with what people call each. Pure. */
import * as z from 'zod';

type Labels = Record<string, string>;

export const oneOf = <T extends Labels>(labels: T, meta: { label: string; help?: string }) => z.enum(Object.keys(labels) as (keyof T & string)[]).meta({ ...meta, labels, unset: 'By guest system' }); // its own keys
