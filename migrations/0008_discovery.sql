-- Finding: what everybody may see, shaped for lists and search.
--
-- Under row-level security an index serves only operators that are marked leakproof, and text search and array operators
-- are not. These views belong to the owner of the tables, show nothing but what is active, and so let the web tier use
-- every index without naming an actor. Rows in any other state are reached through the tables, under their policies.
SET ROLE mywork_migrate;

CREATE VIEW active_products AS
  SELECT p.id, p.seller_id, p.kind, p.slug, p.title, p.short_description, p.description, p.category_id,
         p.tech_stack, p.technologies, p.tags, p.price_cents, p.currency, p.featured_until, p.published_at, p.updated_at, p.search
  FROM products p
  WHERE p.state = 'active';

-- Which licences a product offers; prices of what is not on sale yet stay with the seller.
CREATE VIEW offered_licences AS
  SELECT product_id, licence, price_credits IS NOT NULL AS for_credits
  FROM product_licences;

-- One row is everything that a card in a list shows.
CREATE VIEW product_cards AS
  SELECT p.id, p.slug, p.title, p.short_description, p.kind, p.tech_stack, p.price_cents, p.currency, p.featured_until,
         p.published_at, p.updated_at, p.seller_id,
         c.slug AS category_slug, c.name AS category_name,
         u.username, u.display_name, u.avatar_key, coalesce(w.verification, 'none') AS verification,
         s.views, s.sales, s.rating_average, s.rating_count,
         i.alt AS image_alt, i.variants AS image_variants,
         EXISTS (SELECT FROM product_licences l WHERE l.product_id = p.id AND l.price_credits IS NOT NULL) AS accepts_credits
  FROM products p
  JOIN product_stats s ON s.product_id = p.id
  JOIN users u ON u.id = p.seller_id
  LEFT JOIN sellers w ON w.user_id = p.seller_id
  LEFT JOIN categories c ON c.id = p.category_id
  LEFT JOIN LATERAL (
    SELECT i.alt, i.variants
    FROM product_images i
    WHERE i.product_id = p.id AND i.state = 'ready'
    ORDER BY i.position, i.id
    LIMIT 1
  ) i ON true
  WHERE p.state = 'active';

-- Views are the owner's business only to define, everybody's to read, nobody's to write.
REVOKE INSERT, UPDATE, DELETE ON active_products, offered_licences, product_cards FROM mywork_web, mywork_worker;

-- A product has its counters from the transaction that made it, so lists may join them and sort by their indexes.
-- Deferred, so that whoever fills them in the same transaction (the seed) comes first.
CREATE FUNCTION product_stats_exist() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  INSERT INTO product_stats (product_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER product_stats_exist AFTER INSERT ON products
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION product_stats_exist();

CREATE INDEX product_stats_popular_idx ON product_stats (sales DESC, product_id DESC);
CREATE INDEX product_stats_rating_idx ON product_stats (rating_average DESC NULLS LAST, rating_count DESC, product_id DESC);
CREATE INDEX products_featured_idx ON products (featured_until DESC) WHERE state = 'active' AND featured_until IS NOT NULL;

-- What a person typed, as a text-search query: `whole` in web-search syntax ("a phrase", -not), and besides it `start`,
-- the beginning of a word that may still be on its way. Words too common to be indexed are left out.
CREATE FUNCTION search_query(whole text, start text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET client_min_messages = warning SET search_path = pg_catalog
AS $$
  SELECT CASE
    WHEN start = '' OR (numnode(w) > 0 AND numnode(websearch_to_tsquery('english', start)) = 0) THEN w
    ELSE w && (websearch_to_tsquery('english', start) || to_tsquery('simple', '''' || start || ''':*'))
  END
  FROM (SELECT websearch_to_tsquery('english', whole) AS w) AS words
$$;

RESET ROLE;
