//! Names of clusters and of the attributes that a gateway reads (Zigbee Cluster Library, 2.2 and the
//! clusters' own chapters; Smart Energy 07-5356).

/// The name of a cluster.
#[must_use]
pub fn cluster_name(cluster: u16) -> Option<&'static str> {
    let index = CLUSTERS.binary_search_by_key(&cluster, |(known, _)| *known);
    let (_, name) = CLUSTERS.get(index.ok()?)?;
    Some(name)
}

/// The name of an attribute.
#[must_use]
pub fn attribute_name(cluster: u16, attribute: u16) -> Option<&'static str> {
    let key = (cluster, attribute);
    let index = ATTRIBUTES.binary_search_by_key(&key, |(cluster, known, _)| (*cluster, *known));
    let (.., name) = ATTRIBUTES.get(index.ok()?)?;
    Some(name)
}

const CLUSTERS: &[(u16, &str)] = &[
    (0x0000, "Basic"),
    (0x0001, "PowerConfiguration"),
    (0x0002, "DeviceTemperatureConfiguration"),
    (0x0003, "Identify"),
    (0x0004, "Groups"),
    (0x0005, "Scenes"),
    (0x0006, "OnOff"),
    (0x0007, "OnOffSwitchConfiguration"),
    (0x0008, "LevelControl"),
    (0x0009, "Alarms"),
    (0x000A, "Time"),
    (0x000B, "RssiLocation"),
    (0x000C, "AnalogInput"),
    (0x000D, "AnalogOutput"),
    (0x000E, "AnalogValue"),
    (0x000F, "BinaryInput"),
    (0x0010, "BinaryOutput"),
    (0x0011, "BinaryValue"),
    (0x0012, "MultistateInput"),
    (0x0013, "MultistateOutput"),
    (0x0014, "MultistateValue"),
    (0x0015, "Commissioning"),
    (0x0016, "Partition"),
    (0x0019, "OtaUpgrade"),
    (0x001A, "PowerProfile"),
    (0x001B, "ApplianceControl"),
    (0x0020, "PollControl"),
    (0x0021, "GreenPower"),
    (0x0100, "ShadeConfiguration"),
    (0x0101, "DoorLock"),
    (0x0102, "WindowCovering"),
    (0x0200, "PumpConfigurationAndControl"),
    (0x0201, "Thermostat"),
    (0x0202, "FanControl"),
    (0x0203, "DehumidificationControl"),
    (0x0204, "ThermostatUserInterfaceConfiguration"),
    (0x0300, "ColorControl"),
    (0x0301, "BallastConfiguration"),
    (0x0400, "IlluminanceMeasurement"),
    (0x0401, "IlluminanceLevelSensing"),
    (0x0402, "TemperatureMeasurement"),
    (0x0403, "PressureMeasurement"),
    (0x0404, "FlowMeasurement"),
    (0x0405, "RelativeHumidityMeasurement"),
    (0x0406, "OccupancySensing"),
    (0x0500, "IasZone"),
    (0x0501, "IasAce"),
    (0x0502, "IasWd"),
    (0x0700, "Price"),
    (0x0701, "DemandResponseAndLoadControl"),
    (0x0702, "Metering"),
    (0x0703, "Messaging"),
    (0x0704, "Tunneling"),
    (0x0705, "Prepayment"),
    (0x0706, "EnergyManagement"),
    (0x0707, "Calendar"),
    (0x0708, "DeviceManagement"),
    (0x0709, "Events"),
    (0x070A, "MduPairing"),
    (0x070B, "SubGhz"),
    (0x0800, "KeyEstablishment"),
    (0x0B01, "MeterIdentification"),
    (0x0B02, "ApplianceEventsAndAlerts"),
    (0x0B03, "ApplianceStatistics"),
    (0x0B04, "ElectricalMeasurement"),
    (0x0B05, "Diagnostics"),
    (0x1000, "TouchlinkCommissioning"),
];

const ATTRIBUTES: &[(u16, u16, &str)] = &[
    (0x0000, 0x0000, "ZclVersion"),
    (0x0000, 0x0001, "ApplicationVersion"),
    (0x0000, 0x0002, "StackVersion"),
    (0x0000, 0x0003, "HwVersion"),
    (0x0000, 0x0004, "ManufacturerName"),
    (0x0000, 0x0005, "ModelIdentifier"),
    (0x0000, 0x0006, "DateCode"),
    (0x0000, 0x0007, "PowerSource"),
    (0x0000, 0x4000, "SwBuildId"),
    (0x0001, 0x0020, "BatteryVoltage"),
    (0x0001, 0x0021, "BatteryPercentageRemaining"),
    (0x0006, 0x0000, "OnOff"),
    (0x0006, 0x4003, "StartUpOnOff"),
    (0x0008, 0x0000, "CurrentLevel"),
    (0x000A, 0x0000, "Time"),
    (0x000A, 0x0001, "TimeStatus"),
    (0x000A, 0x0002, "TimeZone"),
    (0x000A, 0x0003, "DstStart"),
    (0x000A, 0x0004, "DstEnd"),
    (0x000A, 0x0005, "DstShift"),
    (0x000A, 0x0006, "StandardTime"),
    (0x000A, 0x0007, "LocalTime"),
    (0x0201, 0x0000, "LocalTemperature"),
    (0x0201, 0x0011, "OccupiedCoolingSetpoint"),
    (0x0201, 0x0012, "OccupiedHeatingSetpoint"),
    (0x0201, 0x001B, "ControlSequenceOfOperation"),
    (0x0201, 0x001C, "SystemMode"),
    (0x0201, 0x0029, "ThermostatRunningState"),
    (0x0402, 0x0000, "MeasuredValue"),
    (0x0402, 0x0001, "MinMeasuredValue"),
    (0x0402, 0x0002, "MaxMeasuredValue"),
    (0x0402, 0x0003, "Tolerance"),
    (0x0405, 0x0000, "MeasuredValue"),
    (0x0700, 0x0000, "Tier1PriceLabel"),
    (0x0700, 0x0001, "Tier2PriceLabel"),
    (0x0700, 0x0002, "Tier3PriceLabel"),
    (0x0700, 0x0003, "Tier4PriceLabel"),
    (0x0701, 0x0000, "UtilityEnrollmentGroup"),
    (0x0701, 0x0001, "StartRandomizationMinutes"),
    (0x0701, 0x0002, "DurationRandomizationMinutes"),
    (0x0701, 0x0003, "DeviceClassValue"),
    (0x0702, 0x0000, "CurrentSummationDelivered"),
    (0x0702, 0x0001, "CurrentSummationReceived"),
    (0x0702, 0x0002, "CurrentMaxDemandDelivered"),
    (0x0702, 0x0006, "PowerFactor"),
    (0x0702, 0x0100, "CurrentTier1SummationDelivered"),
    (0x0702, 0x0102, "CurrentTier2SummationDelivered"),
    (0x0702, 0x0104, "CurrentTier3SummationDelivered"),
    (0x0702, 0x0106, "CurrentTier4SummationDelivered"),
    (0x0702, 0x0200, "Status"),
    (0x0702, 0x0300, "UnitOfMeasure"),
    (0x0702, 0x0301, "Multiplier"),
    (0x0702, 0x0302, "Divisor"),
    (0x0702, 0x0303, "SummationFormatting"),
    (0x0702, 0x0304, "DemandFormatting"),
    (0x0702, 0x0306, "MeteringDeviceType"),
    (0x0702, 0x0307, "SiteId"),
    (0x0702, 0x0308, "MeterSerialNumber"),
    (0x0702, 0x0400, "InstantaneousDemand"),
    (0x0B04, 0x0000, "MeasurementType"),
    (0x0B04, 0x0300, "AcFrequency"),
    (0x0B04, 0x0304, "TotalActivePower"),
    (0x0B04, 0x0305, "TotalReactivePower"),
    (0x0B04, 0x0306, "TotalApparentPower"),
    (0x0B04, 0x0505, "RmsVoltage"),
    (0x0B04, 0x0508, "RmsCurrent"),
    (0x0B04, 0x050B, "ActivePower"),
    (0x0B04, 0x050E, "ReactivePower"),
    (0x0B04, 0x050F, "ApparentPower"),
    (0x0B04, 0x0510, "PowerFactor"),
    (0x0B04, 0x0600, "AcVoltageMultiplier"),
    (0x0B04, 0x0601, "AcVoltageDivisor"),
    (0x0B04, 0x0602, "AcCurrentMultiplier"),
    (0x0B04, 0x0603, "AcCurrentDivisor"),
    (0x0B04, 0x0604, "AcPowerMultiplier"),
    (0x0B04, 0x0605, "AcPowerDivisor"),
    (0x0B04, 0x0905, "RmsVoltagePhB"),
    (0x0B04, 0x0908, "RmsCurrentPhB"),
    (0x0B04, 0x090B, "ActivePowerPhB"),
    (0x0B04, 0x0A05, "RmsVoltagePhC"),
    (0x0B04, 0x0A08, "RmsCurrentPhC"),
    (0x0B04, 0x0A0B, "ActivePowerPhC"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(CLUSTERS.is_sorted_by_key(|(cluster, _)| *cluster));
        assert!(ATTRIBUTES.is_sorted_by_key(|(cluster, attribute, _)| (*cluster, *attribute)));
        assert_eq!(cluster_name(0x0702), Some("Metering"));
        assert_eq!(attribute_name(0x0702, 0x0400), Some("InstantaneousDemand"));
        assert_eq!((cluster_name(0xFC03), attribute_name(6, 9)), (None, None));
    }
}
