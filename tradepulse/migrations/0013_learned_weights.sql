-- Of each weight vector: what it sums to at most, the trained model that the portfolio follows, and why
-- that model did not decide.
alter table portfolio_weights
    add column budget   double precision not null default 1 check (budget > 0),
    add column model_id uuid,
    add column fallback text;
