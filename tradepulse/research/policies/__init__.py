"""Does a weight policy do better than simple ones? Pure: replays, statistics, gates, the report."""
