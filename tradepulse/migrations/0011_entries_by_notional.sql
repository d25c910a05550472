-- An entry at market is an amount of money: what it may spend, slippage and fee included. Its
-- quantity is 0 until the fill. Those that wait may spend what they were sized by, and its costs.

alter table orders add column notional numeric;

update orders set
    notional = quantity * coalesce(limit_price, reference_price::numeric),
    quantity = case when order_type = 'market' then 0 else quantity end
where status = 'OPEN' and opens_position;
