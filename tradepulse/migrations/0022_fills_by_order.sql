-- The fills of an order are asked for with it, by the page and by whoever reads the ledger: without this each question
-- reads all fills. A million are indexed in about a second.

create index fills_by_order on fills (order_id);
