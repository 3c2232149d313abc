"""The digest's tables, and the statements that keep its hours in step with its runs."""

VERSION = 1

SCHEMA = """
create table files(
    inode text primary key, number integer not null,
    read_to integer, size integer, mtime_ns integer, head blob, passed_over text not null
) without rowid;

create table runs(
    id blob primary key, file integer not null, hour integer not null,
    ended_us integer not null, prompt_id text not null,
    tokens real, log_tokens real, tool_calls real, spend_usd real, latency_s real,
    is_unfinished integer not null
) without rowid;
create index runs_by_hour on runs(hour);

create table starts(
    id blob primary key, started_us integer not null, prompt_id text not null
) without rowid;

create table hours(
    hour integer not null, prompt_id text not null, runs integer not null,
    tokens_of integer not null, tokens real,
    log_tokens_of integer not null, log_tokens real,
    tool_calls_of integer not null, tool_calls real,
    spend_of integer not null, spend_usd real,
    latency_of integer not null, latency_s real,
    unfinished integer not null, primary key(hour, prompt_id)
) without rowid;

create table stale_hours(hour integer primary key);
create trigger moved after update of hour on runs when old.hour <> new.hour
    begin insert or ignore into stale_hours values (old.hour); end;
create trigger removed after delete on runs
    begin insert or ignore into stale_hours values (old.hour); end;
"""
"""`hours` follows from `runs`; `stale_hours` are those that have to be made again."""

UPSERT = """
insert into runs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict(id) do update set
    file = excluded.file, hour = excluded.hour, ended_us = excluded.ended_us,
    prompt_id = excluded.prompt_id, tokens = excluded.tokens,
    log_tokens = excluded.log_tokens, tool_calls = excluded.tool_calls,
    spend_usd = excluded.spend_usd, latency_s = excluded.latency_s,
    is_unfinished = excluded.is_unfinished
where excluded.ended_us >= runs.ended_us
"""

HOUR = """
insert into hours select
    hour, prompt_id, count(*), count(tokens), sum(tokens), count(log_tokens), sum(log_tokens),
    count(tool_calls), sum(tool_calls), count(spend_usd), sum(spend_usd),
    count(latency_s), sum(latency_s), sum(is_unfinished)
from runs where hour = ? group by hour, prompt_id
"""
