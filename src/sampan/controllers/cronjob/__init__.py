"""CronJob: Jobs by the clock. `schedule` (cron expressions) and `decide` are pure, `controller` acts."""
