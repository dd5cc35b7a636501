-- Tables of a schema, by names or all
SELECT c.oid::int8, c.relname::text, c.relkind::text,
  CASE WHEN c.relkind = 'p' THEN
    (SELECT CASE WHEN count(DISTINCT part.relreplident) = 1 THEN min(part.relreplident::text) ELSE '' END
     FROM pg_catalog.pg_partition_tree(c.oid) AS tree JOIN pg_catalog.pg_class AS part ON part.oid = tree.relid)
  ELSE c.relreplident::text END,
  pg_catalog.pg_has_role(c.relowner, 'USAGE'),
  pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid),
  pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
    AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND pg_catalog.has_table_privilege(c.oid, 'DELETE'),
  c.relpersistence <> 'p', c.relispartition, pg_catalog.row_security_active(c.oid),
  CASE WHEN c.relkind = 'p' OR c.reltuples < 1000 THEN NULL ELSE c.reltuples END,
  ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY 1),
  ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('A', 'R') ORDER BY 1),
  ARRAY(SELECT f.conname::text FROM pg_catalog.pg_constraint AS f
        WHERE f.confrelid = c.oid AND f.contype = 'f' AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))),
  (SELECT CASE WHEN o.rolsuper THEN '' ELSE o.rolname::text END FROM pg_catalog.pg_roles AS o WHERE o.oid = c.relowner),
  ARRAY(SELECT DISTINCT p.relname::text FROM pg_catalog.pg_constraint AS f JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
        WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid AND p.relnamespace = c.relnamespace ORDER BY 1)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = %s AND (%s::text[] IS NULL OR c.relname = ANY (%s::text[]))
ORDER BY c.relname;
-- Columns of tables: domains are looked through
WITH RECURSIVE base AS (
  SELECT a.attrelid, a.attnum, a.atttypid AS oid, a.atttypmod AS modifier
  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = ANY (%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod
  FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.oid AND t.typtype = 'd'
)
SELECT a.attrelid::int8, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.oid::int8, b.modifier,
  t.typtype = 'e', NOT a.attnotnull, a.attgenerated::text, a.attidentity::text,
  CASE WHEN o.collisdeterministic THEN '' ELSE coalesce(o.collname::text, '') END
FROM pg_catalog.pg_attribute AS a
JOIN base AS b ON b.attrelid = a.attrelid AND b.attnum = a.attnum
JOIN pg_catalog.pg_type AS t ON t.oid = b.oid AND t.typtype <> 'd'
LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = a.attcollation
ORDER BY a.attrelid, a.attnum;
-- Unique indexes over plain columns
SELECT i.indrelid::int8,
  ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.place <= i.indnkeyatts ORDER BY k.place),
  i.indisprimary, i.indimmediate AND i.indisvalid, i.indpred IS NOT NULL
FROM pg_catalog.pg_index AS i
WHERE i.indisunique AND i.indrelid = ANY (%s::oid[]) AND NOT (0 = ANY (i.indkey::int2[])) ORDER BY i.indrelid, i.indexrelid
