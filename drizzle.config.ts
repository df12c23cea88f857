/** How `npm run migrations` finds the tables and where it writes the numbered SQL. */
import { defineConfig } from 'drizzle-kit';

export default defineConfig({ dialect: 'sqlite', schema: './appliance/*/table.ts', out: './appliance/migrations' });
